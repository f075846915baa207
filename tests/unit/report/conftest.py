import pytest
from support import synthetic_report as synthetic


@pytest.fixture(scope="session")
def material():
    return synthetic.material()


@pytest.fixture(scope="session")
def measured():
    return synthetic.material(measured=True)


@pytest.fixture(scope="session")
def empty():
    return synthetic.empty_material()
