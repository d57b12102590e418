"""Reading a whole log page by page, whatever a cursor is."""

from collections.abc import Iterator

from local_server.tests.support import Client

Line = tuple[str, str]


def pages_of(client: Client, run_id: str, size: int) -> Iterator[list[Line]]:
    """Follow the server's cursors until a page holds nothing new. A cursor may be inclusive: what is on two pages
    belongs to the first.

    :returns: timestamp and text of the new lines of each page.
    """
    seen: set[Line] = set()
    cursor = "0"
    while True:
        page = client.log_page(run_id, cursor=cursor, size=size)
        fresh = [line for item in page["items"] if (line := (item["timestamp"], item["raw"])) not in seen]
        yield fresh
        following = page.get("next_page")
        if not fresh or following is None:
            return
        seen.update(fresh)
        cursor = following
