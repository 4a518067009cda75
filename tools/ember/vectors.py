"""Make tests/data/ember_tokenizer.jsonl: texts and the ids the `tokenizers` package gives them.

  vectors.py --tokenizer DIR/tokenizer.json --out tests/data/ember_tokenizer.jsonl

The C++ tokenizer must give the same ids.  No token is put before a text, and the names of special
tokens in a text are ordinary text.  No text holds NUL: the test reads texts as C strings.
"""

import argparse
import json
import pathlib

import tokenizer as bpe

PROSE = [
    "Once upon a time, there was a little girl named Anna.",
    "Question: What colour is the sky?\nAnswer: The sky is blue.",
    "\"Where is my kite?\" asked Tom. \"I can't find it!\"",
    "She said: 'It's mine, isn't it? I'd know; they've seen it, we'll ask, I'm sure you're right.'",
    "IT'S LOUD, WE'LL SHOUT, DON'T STOP",
    "The well-known baker's bread -- fresh, warm... and cheap (only $2.50)!",
    "Write a short story about a dog and a red ball.",
    "e.g. i.e. etc. Mr. Mrs. Dr. a.m. p.m.",
    "UPPER lower Mixed mIxEd camelCase snake_case kebab-case",
    "antidisestablishmentarianism floccinaucinihilipilification",
    "Hello", " Hello", "Hello ", " ", "a", "Z", "", "the", " the", "The end.",
    "<|endoftext|>", "<|user|>Say hello.<|end|><|assistant|>", "a<|end|>b <|reserved_0|>",
    "<|", "|>", "<|nothing|>", "<s></s>[INST]",
]
SPACES = [
    "  ", "   ", "    ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", " \n", "\n ", " \n \n ", "\r\n",
    "\r", "a\r\nb\r\n", "a  b", "a   b    c", "a \n b", "a\tb\t\tc", "  leading", "trailing  ",
    "line one\nline two\n\n  indented\n\ttabbed\n", "x \u00a0y", "\u00a0\u00a0", "a\u3000b",
    "thin\u2009space\u200bzero\u2003em", "line\u2028separator\u2029paragraph", "next\u0085line",
    "\u202fnarrow", "\ufeffmark", "form\ffeed\vvertical", " " * 17 + "x", "\n" * 9 + "x" + " " * 8,
]
NUMBERS = [
    "0", "1", "12", "123", "1234567890", "3.14159", "-17", "1,000,000", "1e-5", "0x7FFF", "50%",
    "2026-11-21T07:10:00Z", "192.168.0.1", "+49 30 1234", "1st 2nd 3rd", "a1b2c3", "٣٤٥ ४५६ ①②③ ½ ⅷ",
    "x² + y³ = z⁴",
]
CODE = [
    "int main(void) { return 0; }", "for (int i = 0; i < n; ++i) {\n    sum += a[i] * b[i];\n}\n",
    "def f(x):\n\treturn x**2 + 1  # square\n", "#include <stdio.h>\n", "SELECT * FROM t WHERE a='b';",
    "{\"key\": [1, 2.0, null, true], \"s\": \"\\n\\u00e9\"}", "<p class=\"x\">&amp;</p>",
    "https://example.org/a/b?c=d&e=f#g", "C:\\Users\\ember\\file.txt", "/usr/local/bin/hearth -n 20",
    "a && b || !c ?: d <=> e -> f :: g", "$HOME/${x%%.*}", "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./",
    "================", "----", "*** ***", "std::vector<std::string>",
]
UNICODE = [
    "Grüße aus Köln, Straße, Äpfel", "naïve café résumé façade", "El niño comió piñas ¿verdad? ¡Sí!",
    "Привет, как дела?", "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "你好,世界。", "こんにちは世界", "안녕하세요 세계", "Zażółć gęślą jaźń", "Tiếng Việt rất đẹp",
    "e\u0301 is not \u00e9", "\u1e9b\u0323", "a\u0300\u0301\u0302", "ﬁ ﬂ ligatures", "İstanbul ıı",
    "“curly” ‘quotes’ — dash – en … dots", "’s ’t it’s", "€ £ ¥ ₿", "∑∏∫√∞≠≤≥", "→ ← ↑ ↓",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒎𝒂𝒕𝒉", "\U0010ffff\ue000\ufffd", "א1ב2", "ǅ ǈ ª º ʰ",
]
EMOJI = [
    "🙂", "I like 🍎 and 🍌!", "👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈", "🇩🇪🇫🇷", "❤️❤", "🔥🔥🔥ember", "no🙂space",
    "\u200d\ufe0f",
]
CONTROL = [
    "\x01", "\x02\x03\x04", "\x1b[31mred\x1b[0m", "a\x07b", "\x7f", "\x80\x9f\xa0\xad", "\x1c\x1d\x1e\x1f",
]
LONG = [
    "a" * 200, "ab" * 150, " " * 100, "\n" * 50, "the " * 80, "!" * 120, "0123456789" * 20,
    "🙂" * 40, "Anna saw a red ball. " * 12, "é" * 90, "\t " * 40, "'s" * 30, "x\n" * 40,
]


def write(tokenizer_path, out_path):
    """Write every text with its ids, a line each; how many there are."""
    tokenizer = bpe.without_special(tokenizer_path)
    texts = PROSE + SPACES + NUMBERS + CODE + UNICODE + EMOJI + CONTROL + LONG
    assert len(set(texts)) == len(texts) and not any("\0" in text for text in texts)
    with open(out_path, "w", encoding="ascii") as out:
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            assert tokenizer.decode(ids, skip_special_tokens=False) == text
            out.write(json.dumps({"text": text, "ids": ids}) + "\n")
    return len(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    print(f"{write(options.tokenizer, options.out)} texts")


if __name__ == "__main__":
    main()
