# says: left aside: conftest.py, pytest.ini



def double(n):
    return None


def half(n):
    return None


def quadruple(n):
    return None
