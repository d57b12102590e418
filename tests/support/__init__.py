"""What tests of several folders share. A package, so that no module called ``tests.support`` hides it."""
