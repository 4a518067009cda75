"""Write ember as GGUF: F16 and Q8_0 matrices, F32 norms, its tokenizer inside."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from gguf_write import GgufWriter  # noqa: E402 (the path comes first)

import tokenizer as bpe  # noqa: E402

NORMAL, CONTROL = 1, 3  # token types of GGUF


def _metadata(writer, shape):
    writer.str("general.name", "ember")
    writer.str("general.description", "Hearth's own small model: stories, questions, instructions")
    writer.str("general.license", "apache-2.0")
    writer.u32("llama.context_length", shape.context)
    writer.u32("llama.embedding_length", shape.hidden)
    writer.u32("llama.block_count", shape.layers)
    writer.u32("llama.feed_forward_length", shape.feed_forward)
    writer.u32("llama.attention.head_count", shape.heads)
    writer.u32("llama.attention.head_count_kv", shape.kv_heads)
    writer.u32("llama.rope.dimension_count", shape.head_dim)
    writer.f32("llama.rope.freq_base", shape.rope_base)
    writer.f32("llama.attention.layer_norm_rms_epsilon", shape.epsilon)
    writer.u32("llama.vocab_size", shape.vocabulary)


def _tokenizer(writer, path):
    saved = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = sorted(saved["vocab"], key=saved["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in saved["merges"]]
    writer.str("tokenizer.ggml.model", "gpt2")
    writer.str("tokenizer.ggml.pre", "gpt-2")
    writer.array("tokenizer.ggml.tokens", "str", tokens)
    writer.array("tokenizer.ggml.token_type", "i32",
                 [CONTROL if t in bpe.SPECIAL else NORMAL for t in tokens])
    writer.array("tokenizer.ggml.merges", "str", merges)
    writer.u32("tokenizer.ggml.bos_token_id", bpe.END_OF_TEXT)
    writer.u32("tokenizer.ggml.eos_token_id", bpe.END_OF_TEXT)
    writer.u32("tokenizer.ggml.eot_token_id", bpe.SPECIAL.index("<|end|>"))
    writer.bool("tokenizer.ggml.add_bos_token", True)
    writer.bool("tokenizer.ggml.add_eos_token", False)


def _tensors(model):
    """(GGUF name, array) of every weight, matrices [outputs, inputs]."""
    yield "token_embd.weight", model.embedding.weight
    yield "output_norm.weight", model.final_norm.weight
    for i, block in enumerate(model.blocks):
        attention = block.attention
        for name, module in [
                ("attn_norm", block.attention_norm), ("attn_q", attention.q),
                ("attn_k", attention.k), ("attn_v", attention.v), ("attn_output", attention.out),
                ("ffn_norm", block.mlp_norm), ("ffn_gate", block.gate), ("ffn_up", block.up),
                ("ffn_down", block.down)]:
            yield f"blk.{i}.{name}.weight", module.weight


def write(model, tokenizer_path, directory):
    """Write ember-f16.gguf and ember-q8_0.gguf to a directory."""
    for type_name in ("F16", "Q8_0"):
        writer = GgufWriter("llama")
        _metadata(writer, model.shape)
        _tokenizer(writer, tokenizer_path)
        for name, weight in _tensors(model):
            array = weight.detach().numpy()
            writer.tensor(name, array, type_name if array.ndim == 2 else "F32")
        writer.write(directory / f"ember-{type_name.lower()}.gguf")
