#!/usr/bin/env bash
# Opening reads the header and no weights: a file of a Llama 8B's shape, 16 GB that are all hole,
# is described and planned within little memory. The times are printed, they decide nothing.
. tests/cli/lib.bash
. tests/cli/gguf.bash
layers=32 width=4096 inner=14336 kv=1024 vocab=128256
at=0
add() { # name, type (0 F32, 1 F16), dims
    local bytes=$(($2 == 0 ? 4 : 2))
    tensor "$1" "$2" $at "${@:3}"
    for d in "${@:3}"; do bytes=$((bytes * d)); done
    at=$((at + (bytes + 31) / 32 * 32))
}
file=$tmp/big.gguf
{
    head_of $((3 + 9 * layers)) 12
    kv_str general.architecture llama
    kv_u32 llama.block_count $layers
    kv_u32 llama.embedding_length $width
    kv_u32 llama.feed_forward_length $inner
    kv_u32 llama.attention.head_count 32
    kv_u32 llama.attention.head_count_kv 8
    kv_u32 llama.context_length 131072
    kv_u32 llama.vocab_size $vocab
    kv_u32 llama.rope.dimension_count 128
    kv_u32 general.alignment 32
    str llama.attention.layer_norm_rms_epsilon; u32 6; printf '\xac\xc5\x27\x37' # 1e-5
    str llama.rope.freq_base; u32 6; printf '\x00\x24\xf4\x48'                   # 500000
    add token_embd.weight 1 $width $vocab
    add output_norm.weight 0 $width
    add output.weight 1 $width $vocab
    for ((i = 0; i < layers; i++)); do
        add blk.$i.attn_norm.weight 0 $width
        add blk.$i.attn_q.weight 1 $width $width
        add blk.$i.attn_k.weight 1 $width $kv
        add blk.$i.attn_v.weight 1 $width $kv
        add blk.$i.attn_output.weight 1 $width $width
        add blk.$i.ffn_norm.weight 0 $width
        add blk.$i.ffn_gate.weight 1 $width $inner
        add blk.$i.ffn_up.weight 1 $width $inner
        add blk.$i.ffn_down.weight 1 $inner $width
    done
} >"$file"
truncate -s $(($(bytes "$file") + 64 + at)) "$file" || skip "no room for a file with a hole"

clock() { echo $(($(date +%s%N) / 1000000)); }
for more in "" --tensors --plan; do
    before=$(clock)
    # shellcheck disable=SC2086
    run 0 info "$file" $more
    echo "info ${more:-(plain)}: $(($(clock) - before)) ms for $(bytes "$file") bytes"
    has 8030261248
done
disk=$(($(stat -c '%b * %B' "$file")))
[ $disk -lt $((1 << 20)) ] || fail "the hole was filled: $disk bytes on disk"
case $build in *asan* | *tsan*) ;; *)
    # the map is address space, not memory; what is left must do for everything else
    (ulimit -v $(($(bytes "$file") / 1024 + 400000)); run 0 info "$file"; exit $bad) || bad=1
    ;;
esac
exit $bad
