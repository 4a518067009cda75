"""Write GGUF v3 files: the one writer that the scripts in tools/ share.

Written from the format's specification (ggml/docs/gguf.md), not from the C++ reader in
engine/gguf.cpp, so that the two can check each other.  Needs numpy only.

    w = GgufWriter("llama")
    w.u32("llama.block_count", 4)
    w.tensor("token_embd.weight", array, "F16")    # array.shape == (rows, cols), C order
    w.write("model.gguf")
"""

import struct

import numpy as np

ALIGNMENT = 32
TENSOR_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "BF16": 30}
VALUE_TYPES = {"u8": 0, "i8": 1, "u16": 2, "i16": 3, "u32": 4, "i32": 5, "f32": 6, "bool": 7,
               "str": 8, "array": 9, "u64": 10, "i64": 11, "f64": 12}
STRUCT_CODES = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f",
                "bool": "?", "u64": "Q", "i64": "q", "f64": "d"}


def to_bf16(x):
    """float32 -> bfloat16 bits, rounding to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def to_q8_0(x):
    """Blocks of 32: one float16 scale d = max|x| / 127, then 32 int8 quants round(x / d)."""
    blocks = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1) / 127.0
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    quants = np.rint(blocks * inverse[:, None]).astype(np.int8)
    out = np.empty((len(blocks), 34), np.uint8)
    out[:, :2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
    out[:, 2:] = quants.view(np.uint8)
    return out


def to_q4_0(x):
    """Blocks of 32: float16 d = (the value of largest magnitude) / -8, then 16 bytes whose low
    nibbles are elements 0..15 and high nibbles 16..31, each q with x = d * (q - 8)."""
    blocks = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)[:, 0]
    scale = extreme / -8.0
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)
    quants = np.clip(np.floor(blocks * inverse[:, None] + 8.5), 0, 15).astype(np.uint8)
    out = np.empty((len(blocks), 18), np.uint8)
    out[:, :2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
    out[:, 2:] = quants[:, :16] | (quants[:, 16:] << 4)
    return out


ENCODERS = {
    "F32": lambda x: np.ascontiguousarray(x, np.float32),
    "F16": lambda x: np.ascontiguousarray(x, np.float16),
    "BF16": to_bf16,
    "Q8_0": to_q8_0,
    "Q4_0": to_q4_0,
}


class GgufWriter:
    def __init__(self, architecture):
        self.values = []   # (key, encoded type and value)
        self.tensors = []  # (name, shape, type name, bytes)
        self.str("general.architecture", architecture)

    @staticmethod
    def _string(text):
        data = text if isinstance(text, bytes) else text.encode()
        return struct.pack("<Q", len(data)) + data

    def _value(self, key, kind, value):
        body = self._string(value) if kind == "str" else struct.pack("<" + STRUCT_CODES[kind], value)
        self.values.append((key, struct.pack("<I", VALUE_TYPES[kind]) + body))

    def u32(self, key, value):
        self._value(key, "u32", value)

    def f32(self, key, value):
        self._value(key, "f32", value)

    def bool(self, key, value):
        self._value(key, "bool", value)

    def str(self, key, value):
        self._value(key, "str", value)

    def array(self, key, kind, values):
        head = struct.pack("<IIQ", VALUE_TYPES["array"], VALUE_TYPES[kind], len(values))
        if kind == "str":
            body = b"".join(self._string(v) for v in values)
        else:
            body = struct.pack(f"<{len(values)}{STRUCT_CODES[kind]}", *values)
        self.values.append((key, head + body))

    def tensor(self, name, array, type_name="F32"):
        """array: numpy, shape (rows, cols) or (n,); GGUF stores the dimensions fastest first."""
        data = ENCODERS[type_name](np.asarray(array)).tobytes()
        self.tensors.append((name, tuple(np.asarray(array).shape), type_name, data))

    def write(self, path):
        head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.values)))
        for key, body in self.values:
            head += self._string(key) + body
        offset = 0
        for name, shape, type_name, data in self.tensors:
            head += self._string(name) + struct.pack("<I", len(shape))
            head += struct.pack(f"<{len(shape)}Q", *reversed(shape))
            head += struct.pack("<IQ", TENSOR_TYPES[type_name], offset)
            offset += -(-len(data) // ALIGNMENT) * ALIGNMENT
        with open(path, "wb") as out:
            out.write(head + bytes(-len(head) % ALIGNMENT))
            for _, _, _, data in self.tensors:
                out.write(data + bytes(-len(data) % ALIGNMENT))
