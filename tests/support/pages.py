"""Code in the pages of the documentation."""


def code(kind: str, block: str) -> str:
    """A block as Python; of a comparison, what it is afterwards. In it an empty line may be without its space."""
    if kind == "python":
        return block
    return "".join(line[1:] or line for line in block.splitlines(keepends=True) if not line.startswith("-"))
