# gguf.bash - writers of GGUF headers, byte by byte. Sourced. Numbers are little-endian.
#
#   head_of TENSORS KEYS [VERSION]   kv_u32 KEY N   kv_str KEY TEXT   tensor NAME TYPE OFFSET DIMS...
u32() {
    local b
    printf -v b '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
    # shellcheck disable=SC2059
    printf "$b"
}
u64() { u32 $(($1 & 0xffffffff)); u32 $(($1 >> 32 & 0xffffffff)); }
str() { u64 ${#1}; printf %s "$1"; }
kv_u32() { str "$1"; u32 4; u32 "$2"; }
kv_str() { str "$1"; u32 8; str "$2"; }
head_of() { printf GGUF; u32 "${3:-3}"; u64 "$1"; u64 "$2"; }
tensor() {
    str "$1"; u32 $(($# - 3))
    local t=$2 at=$3; shift 3
    for d in "$@"; do u64 "$d"; done
    u32 "$t"; u64 "$at"
}
