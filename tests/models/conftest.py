import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Models this small only lose by a second thread, and on a busy machine they lose much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
