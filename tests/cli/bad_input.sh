#!/usr/bin/env bash
# Damaged and hostile files: exit status 4, one sentence that names the file and what is wrong
# with it, and no more memory than a small file justifies.
. tests/cli/lib.bash
. tests/cli/gguf.bash
shopt -s lastpipe # a function behind a pipe counts here, not in a shell of its own
case $build in *asan* | *tsan*) ;; *) ulimit -v 600000 ;; esac
export TARN_THREADS=1

# safetensors: a header and so many zero bytes behind it
st() { u64 ${#1}; printf %s "$1"; head -c "$2" /dev/zero; }

# ---- what is expected ---------------------------------------------------------------------------
n=0
refused() { # name in the sentence, words in the sentence, command...
    local name=$1 words=$2; shift 2
    n=$((n + 1))
    run 4 "$@"
    says "$name"; says "$words"
    [ "$(grep -c '^tarn: ' <<<"$err")" -eq 1 ] || fail "$last: not one sentence: $err"
    [ "$(grep -vcE '^(tarn|hint): ' <<<"$err")" -eq 0 ] || fail "$last: more than a sentence: $err"
    [ -z "$out" ] || fail "$last: wrote to its output: ${out:0:200}"
}
gguf() { # words; the file comes on stdin
    cat >"$tmp/bad.gguf"
    refused bad.gguf "$1" info "$tmp/bad.gguf"
}

# ---- GGUF ---------------------------------------------------------------------------------------
run 0 synth v3-tiny --type q8_0 --seed 1 -o "$tmp/good.gguf"
size=$(bytes "$tmp/good.gguf")
refused none.gguf "there is no model" info "$tmp/none.gguf"
gguf "is not a GGUF file" </dev/null
printf 'GGML is not it, and long enough to hold a header' | gguf "does not begin with"
head -c 20 "$tmp/good.gguf" | gguf "the key count at byte 16 needs 8 bytes, 4 are left"
head -c 300 "$tmp/good.gguf" | gguf "the file has room for"
head -c 6000 "$tmp/good.gguf" | gguf "ends inside its header"
head -c $((size - 100)) "$tmp/good.gguf" | gguf "the file is cut off or damaged"
head_of $((1 << 62)) 0 | gguf "the header counts 4611686018427387904 tensors"
head_of 0 $((1 << 40)) | gguf "the header counts 1099511627776 keys"
{ head_of 0 1; u64 $((1 << 50)); head -c 40 /dev/zero; } | gguf "needs 1125899906842624 bytes"
{ head_of 0 1; str a; u32 77; u32 0; } | gguf "type at byte 33 is 77"
{ head_of 0 1; str a; u32 9; u32 8; u64 $((1 << 59)); } | gguf "key a: "
{ head_of 0 1; str a; for _ in {1..40}; do u32 9; u32 9; u64 1; done; } | gguf "key a: "
{ head_of 0 2; kv_u32 a 1; kv_u32 a 2; } | gguf "key a is there twice"
{ head_of 0 1; kv_u32 general.alignment 3; } | gguf general.alignment
{ head_of 1 0; tensor t 0 0 1 1 1 1 1; head -c 64 /dev/zero; } | gguf "tensor t has 5 dimensions, allowed is 1 to 4"
{ head_of 1 0; tensor t 0 0 $((1 << 40)) $((1 << 40)); head -c 64 /dev/zero; } | gguf "tensor t: the size in bytes is too large"
{ head_of 1 0; tensor t 8 0 33; head -c 640 /dev/zero; } | gguf "tensor t has rows of 33 elements"
{ head_of 1 0; tensor t 0 $((1 << 40)) 32; head -c 640 /dev/zero; } | gguf "tensor t has 128 bytes at offset 1099511627776"
{ head_of 1 0; tensor t 0 5 32; head -c 640 /dev/zero; } | gguf "no multiple of the alignment 32"
{ head_of 2 0; tensor t 0 0 8; tensor t 0 32 8; head -c 640 /dev/zero; } | gguf "tensor t is there twice"
{ head_of 0 1; kv_u32 general.architecture 5; } | gguf "key general.architecture is of type u32"
{ head_of 0 1; kv_str general.architecture llama; } | gguf "are missing"
# what a later version may hold is another status: unsupported
head_of 0 0 99 >"$tmp/later.gguf"; run 6 info "$tmp/later.gguf"; says "GGUF version 99"
{ head_of 1 0; tensor t 250 0 32; head -c 640 /dev/zero; } >"$tmp/later.gguf"; run 6 info "$tmp/later.gguf"; says "type 250"

# ---- a Hugging Face directory -------------------------------------------------------------------
mkdir "$tmp/shape"
cat >"$tmp/shape/config.json" <<'JSON'
{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64,
 "intermediate_size": 160, "num_hidden_layers": 1, "num_attention_heads": 4,
 "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 1024,
 "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true}
JSON
run 0 synth "$tmp/shape" --type f32 -o "$tmp/q.gguf"
run 0 convert "$tmp/q.gguf" -o "$tmp/hf"
good=$(cat "$tmp/hf/config.json") vocab=$(cat "$tmp/hf/tokenizer.json")
cp "$tmp/hf/model.safetensors" "$tmp/keep"

config() { # sed expression, words
    sed "$1" <<<"$good" >"$tmp/hf/config.json"
    refused config.json "$2" info "$tmp/hf"
}
config 's/^{/{,/' "line 1, column 2"
config 's/"hidden_size": 64,//' '"hidden_size" is missing'
config 's/"hidden_size": 64/"hidden_size": -64/' "is -64, allowed is 1 to 65536"
config 's/"hidden_size": 64/"hidden_size": 1e99/' hidden_size
config 's/"num_hidden_layers": 1/"num_hidden_layers": 2000000000/' "is 2000000000, allowed is 1 to 512"
config 's/"num_attention_heads": 4/"num_attention_heads": "four"/' '"num_attention_heads" is a string'
config 's/"num_key_value_heads": 2/"num_key_value_heads": 3/' "is no multiple of n_head_kv (num_key_value_heads) 3"
config 's/"vocab_size": 512/"vocab_size": 512, "vocab_size": 513/' "duplicate object key"
printf '%s' "${good:0:200}" >"$tmp/hf/config.json"; refused config.json "premature end of input" info "$tmp/hf"
{ head -c 100000 /dev/zero | tr '\0' '['; } >"$tmp/hf/config.json"; refused config.json "maximum parsing depth" info "$tmp/hf"
rm "$tmp/hf/config.json"; run 4 info "$tmp/hf"; says config.json
printf '%s' "$good" >"$tmp/hf/config.json"

weights() { # words; the file comes on stdin
    cat >"$tmp/hf/model.safetensors"
    refused model.safetensors "$1" logits "$tmp/hf" --tokens 1,2 --out "$tmp/logits"
}
weights "has 0 bytes" </dev/null
head -c 1000 "$tmp/keep" | weights "no more than the file holds (992)"
head -c $(($(bytes "$tmp/keep") - 4)) "$tmp/keep" | weights "the file is cut off"
{ u64 $((1 << 60)); printf '{}'; } | weights "header's length is 1152921504606846976"
st '{"a":' 0 | weights "line 1, column 5"
st '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}' 8 | weights '"data_offsets" 0 to 8 do not hold the 16 bytes'
st '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}' 12 | weights "tensor b begins at byte 4"
st '{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}' 8 | weights '"data_offsets" 8 to 0'
st '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}' 8 | weights '"shape"'
st '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 800 | weights "792 bytes of the data belong to no tensor"
st '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8 >"$tmp/hf/model.safetensors"
refused "$tmp/hf: 14 tensors are missing" model.embed_tokens.weight logits "$tmp/hf" --tokens 1 --out "$tmp/logits"
st '{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}' 8 >"$tmp/hf/model.safetensors"
run 6 logits "$tmp/hf" --tokens 1 --out "$tmp/logits"; says "tensor a has type F33"
rm "$tmp/hf/model.safetensors"
index() { # the name of a shard, name and words of the sentence
    printf '{"metadata":{},"weight_map":{"model.norm.weight":"%s"}}' "$1" >"$tmp/hf/model.safetensors.index.json"
    refused "$2" "$3" logits "$tmp/hf" --tokens 1,2 --out "$tmp/logits"
}
index ../keep model.safetensors.index.json '"weight_map" gives model.norm.weight a file that is no plain file name'
index none.safetensors none.safetensors "No such file"
rm "$tmp/hf/model.safetensors.index.json"; cp "$tmp/keep" "$tmp/hf/model.safetensors"

words() { # words of the sentence; the file comes on stdin
    cat >"$tmp/hf/tokenizer.json"
    refused tokenizer.json "$1" tokenize "$tmp/hf" --ids
}
sed '1s/^{/[/' <<<"$vocab" | words "line 2, column 11"
sed '0,/"id": 0/s//"id": 99999999999/' <<<"$vocab" | words "has no id from 0 to 2097151"
printf '%s' "${vocab:0:2000}" | words "premature end of input"
sed '0,/"!": [0-9]*,/s//"!": 5,/' <<<"$vocab" | words "no token stands for byte 0x21"
sed '0,/\["a", "a"\]/s//["a", "never seen"]/' <<<"$vocab" | words '"never seen" is not a token'
printf '\200\201' | words "unable to decode byte 0x80"
printf '%s' '{"model": {"type": "BPE"}}' | words vocab
sed 's/"type": *"BPE"/"type": "Other"/' <<<"$vocab" >"$tmp/hf/tokenizer.json"
run 6 tokenize "$tmp/hf"; says 'model.type is "Other"'
printf '%s' "$vocab" >"$tmp/hf/tokenizer.json"

# ---- other files --------------------------------------------------------------------------------
printf '[{"role":"user","content":"hi"' >"$tmp/chat.json"
refused chat.json "near end of file" render "$tmp/good.gguf" --messages "$tmp/chat.json"
printf '[{"role":"wizard","content":"hi"}]' >"$tmp/chat.json"
refused chat.json '"role" is "wizard"' render "$tmp/good.gguf" --messages "$tmp/chat.json"
printf 'TARNTOK1 and no more' >"$tmp/x.tok"
printf 'data:\n  path: %s\n' "$tmp/x.tok" >"$tmp/r.yaml"
refused x.tok "does not begin with TARNTOK1" train "$tmp/r.yaml" --run "$tmp/run"
printf 'train:\n  steps: -1\n' >"$tmp/r.yaml"
refused r.yaml:2: "train.steps: allowed is 1 to" train "$tmp/r.yaml" --run "$tmp/run"
printf 'not an importance matrix' >"$tmp/x.imatrix"
refused x.imatrix "is not a GGUF file" quantize "$tmp/good.gguf" "$tmp/o.gguf" --type q4_k --imatrix "$tmp/x.imatrix"
echo "$n bad files refused"
exit $bad
