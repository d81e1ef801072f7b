"""The shapes of a model's states, which OpenVINO's `reshape` leaves as they were."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov


def settle_states(model: "ov.Model") -> None:
    """Give each state of `model` the shape that it always has, if the shapes of the inputs decide it.

    A reshape sets the batch of the inputs, but a state declared for any batch stays so. Then the CPU plugin can't
    write it: "Can't reorder data with dynamic shapes". States that grow stay dynamic.
    """
    shapes: dict[str, dict[str, ov.PartialShape]] = {"ReadValue": {}, "Assign": {}}
    for node in model.get_ops():
        if node.get_type_name() in shapes and node.get_input_size():
            name = node.get_attributes()["variable_id"]
            shapes[node.get_type_name()][name] = node.input_value(0).partial_shape
    for variable in model.get_variables():
        info = variable.info
        before, after = (shapes[kind].get(info.variable_id) for kind in ("ReadValue", "Assign"))
        if after is not None and after.is_static and before == after and info.data_shape != after:
            info.data_shape = after
            variable.update(info)
    model.validate_nodes_and_infer_types()
