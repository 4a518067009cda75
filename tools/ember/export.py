"""Write ember or tinder as GGUF: F16 and Q8_0 matrices, F32 norms, the tokenizer inside."""

import json
import pathlib
import sys

TOOLS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOOLS), str(TOOLS / "fixtures")]

from gguf_write import GgufWriter  # noqa: E402 (the path comes first)
import transforms  # noqa: E402

import tokenizer as bpe  # noqa: E402

NORMAL, CONTROL = 1, 3  # token types of GGUF
ALWAYS_F32 = ("ssm_conv1d.weight",)  # and everything that is no matrix
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}")


def _ember_metadata(writer, shape):
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


def _tinder_metadata(writer, shape):
    writer.u32("qwen35.context_length", shape.context)
    writer.u32("qwen35.embedding_length", shape.hidden)
    writer.u32("qwen35.block_count", shape.layers)
    writer.u32("qwen35.feed_forward_length", shape.feed_forward)
    writer.u32("qwen35.attention.head_count", shape.heads)
    writer.u32("qwen35.attention.head_count_kv", shape.kv_heads)
    writer.u32("qwen35.attention.key_length", shape.head_dim)
    writer.u32("qwen35.attention.value_length", shape.head_dim)
    writer.f32("qwen35.attention.layer_norm_rms_epsilon", shape.epsilon)
    writer.u32("qwen35.rope.dimension_count", shape.rotary_dim)
    writer.array("qwen35.rope.dimension_sections", "i32", shape.rotary_sections)
    writer.f32("qwen35.rope.freq_base", shape.rope_base)
    writer.u32("qwen35.full_attention_interval", shape.interval)
    writer.u32("qwen35.ssm.conv_kernel", shape.kernel)
    writer.u32("qwen35.ssm.state_size", shape.state_dim)
    writer.u32("qwen35.ssm.group_count", shape.key_heads)
    writer.u32("qwen35.ssm.time_step_rank", shape.value_heads)
    writer.u32("qwen35.ssm.inner_size", shape.value_width)
    writer.u32("qwen35.vocab_size", shape.vocabulary)
    writer.str("tokenizer.chat_template", CHAT_TEMPLATE)


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


def _ember_tensors(model):
    """(GGUF name, array) of every weight, matrices [outputs, inputs]."""
    yield "token_embd.weight", model.embedding.weight.detach().numpy()
    yield "output_norm.weight", model.final_norm.weight.detach().numpy()
    for i, block in enumerate(model.blocks):
        attention = block.attention
        for name, module in [
                ("attn_norm", block.attention_norm), ("attn_q", attention.q),
                ("attn_k", attention.k), ("attn_v", attention.v), ("attn_output", attention.out),
                ("ffn_norm", block.mlp_norm), ("ffn_gate", block.gate), ("ffn_up", block.up),
                ("ffn_down", block.down)]:
            yield f"blk.{i}.{name}.weight", module.weight.detach().numpy()


def _tinder_tensors(model):
    """The same, by the table of what converters do."""
    dims = transforms.Dims(key_heads=model.shape.key_heads, value_heads=model.shape.value_heads,
                           state=model.shape.state_dim)
    for name, weight in model.named_parameters():
        yield from transforms.convert("qwen35", dims, name, weight.detach().numpy())


MODELS = {"ember": ("llama", _ember_metadata, _ember_tensors),
          "tinder": ("qwen35", _tinder_metadata, _tinder_tensors)}


def write(name, model, tokenizer_path, directory):
    """Write NAME-f16.gguf and NAME-q8_0.gguf to a directory."""
    architecture, metadata, tensors = MODELS[name]
    for type_name in ("F16", "Q8_0"):
        writer = GgufWriter(architecture)
        writer.str("general.name", name)
        writer.str("general.description",
                   "Hearth's own small model: stories, questions, instructions")
        writer.str("general.license", "apache-2.0")
        metadata(writer, model.shape)
        _tokenizer(writer, tokenizer_path)
        for tensor, array in tensors(model):
            matrix = array.ndim == 2 and not tensor.endswith(ALWAYS_F32)
            writer.tensor(tensor, array, type_name if matrix else "F32")
        writer.write(directory / f"{name}-{type_name.lower()}.gguf")
