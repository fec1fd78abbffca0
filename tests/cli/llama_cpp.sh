#!/usr/bin/env bash
# GGUF files we write, opened by llama.cpp (its build for node, from the npm registry where it can be
# reached, 85 MB kept under build/): the same tokens come out.
. tests/cli/lib.bash
command -v npm >/dev/null || skip "npm is not here"
[ "$(uname -sm)" = "Linux x86_64" ] || skip "llama.cpp is fetched for Linux on x86-64 only"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "llama.cpp's package needs node 20"
dir=build/npm/llama_cpp
if ! cmp -s tests/cli/llama_cpp/package.json $dir/node_modules/.from; then
    rm -rf $dir && mkdir -p $dir && cp tests/cli/llama_cpp/package.json $dir
    # Not "npm ci": a lock file names the other systems' builds, and fails without them.
    (cd $dir && timeout 200 npm install --omit=optional --package-lock=false --no-audit --no-fund --ignore-scripts --silent >/dev/null 2>&1) ||
        { rm -rf $dir; skip "the npm registry cannot be reached"; }
    cp tests/cli/llama_cpp/package.json $dir/node_modules/.from
fi
run 0 synth v3-tiny --type f32 -o "$tmp/mla.gguf"
run 0 synth v3-tiny --type f32 --old-layout -o "$tmp/mla-old.gguf"
ids=1000,2000,3000,1500,700,42
cases=("$tmp/mla.gguf 0.001 $ids" "$tmp/mla-old.gguf 0.001 $ids")
for arch in Qwen2 Qwen3 Llama; do
    mkdir "$tmp/$arch"
    cat >"$tmp/$arch/config.json" <<J
{"architectures": ["${arch}ForCausalLM"], "model_type": "${arch,,}", "hidden_size": 256, "intermediate_size": 768,
 "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 4096,
 "rms_norm_eps": 1e-6, "rope_theta": 10000, "max_position_embeddings": 2048, "tie_word_embeddings": false,
 "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "bfloat16"}
J
    # 8-bit blocks: llama.cpp rounds the activations too, so near ties may fall the other way.
    run 0 synth "$tmp/$arch/config.json" --type f32 -o "$tmp/$arch.gguf"
    run 0 quantize "$tmp/$arch.gguf" "$tmp/$arch-q8_0.gguf" --type q8_0
    cases+=("$tmp/$arch.gguf 0.001 $ids" "$tmp/$arch-q8_0.gguf 0.1 $ids")
done
node tests/cli/llama_cpp/run.mjs "$PWD/$dir/node_modules" "$tarn" "$tmp" "${cases[@]}" || bad=1
exit $bad
