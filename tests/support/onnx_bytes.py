"""An ONNX model written by hand, field by field, so that a test can change any of its bytes."""

WIDTH = 24
RAW, FLOATS, INT64S, DOUBLES = 9, 4, 7, 10
PAYLOAD = bytes(range(256)) * (WIDTH * WIDTH * 4 // 256)


def varint(value: int) -> bytes:
    """The protobuf coding of a whole number."""
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(payload: bytes = PAYLOAD, name: str = "w", payload_field: int = RAW, width: int = WIDTH) -> bytes:
    """An ONNX TensorProto, f32 [width, width]."""
    return field(1, width) + field(1, width) + field(2, 1) + field(8, name) + field(payload_field, payload)


def port(name: str) -> bytes:
    """An ONNX ValueInfoProto, f32 [1, WIDTH]."""
    shape = b"".join(field(1, field(1, size)) for size in (1, WIDTH))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def node(op: str = "MatMul", attribute: bytes = b"") -> bytes:
    """An ONNX NodeProto that makes `y` of `x` and `w`."""
    return field(1, "x") + field(1, "w") + field(2, "y") + field(4, op) + attribute


def model(graph: bytes) -> bytes:
    """An ONNX ModelProto, opset 13."""
    return field(1, 8) + field(8, field(2, 13)) + field(7, graph)


def graph(node_: bytes | None = None, weights: bytes | None = None) -> bytes:
    """An ONNX GraphProto: y = x w."""
    initializer = tensor() if weights is None else weights
    inner = field(1, node() if node_ is None else node_) + field(2, "g") + field(5, initializer)
    return inner + field(11, port("x")) + field(12, port("y"))


MODEL = model(graph())
