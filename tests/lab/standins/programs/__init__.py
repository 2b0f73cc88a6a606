"""What the stand-ins do, on a machine as well as in the tests."""
