"""The links from a task to its run or its SQL session.

Belongs here: a link's name, and the XCom that has its address. The webserver imports it.
Not here: how an address is made (``api``), and when it is pushed (``operators``).
"""
