// What tells models apart for the cache: equal fingerprints compute the same.
//
// A model file is hashed once: the digest is kept by the file's identity, so that later loads read
// every byte once, for its weights.
//
// THREAD: the engine that loads the model; several may share a directory.
#pragma once

#include <span>
#include <string>

#include "cache/page_key.hpp"
#include "engine/rope.hpp"
#include "files/gguf.hpp"

namespace hearth {

// BLAKE2b-256 over the tensors and the metadata that changes results.  Context length, tokenizer
// and names of people and files are not in it.
cache::Digest hash_model(const GgufFile& file);

// The same, from or into a directory that only the daemon can write to; without the directory, or
// when it cannot be used, the file is hashed each time.  Empty: none.
cache::Digest remembered_hash(const GgufFile& file, const std::string& directory);

// With the rotations, which a configuration can change.
cache::Digest model_fingerprint(const cache::Digest& model, std::span<const Rope> ropes);

}  // namespace hearth
