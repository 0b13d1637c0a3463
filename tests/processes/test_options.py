"""What processes are told by who starts them."""

from switchgear.processes.options import environment_of_children


def test_children_compute_on_one_processor_unless_somebody_wants_it_otherwise() -> None:
    assert environment_of_children({"PATH": "/bin"}) == {"PATH": "/bin", "OPENBLAS_NUM_THREADS": "1"}
    assert environment_of_children({"OPENBLAS_NUM_THREADS": "4"}) == {"OPENBLAS_NUM_THREADS": "4"}
