# What `run` and `campaign` have in common; they source it. Needs bash.
# In it, the folder is `fuzz`, and what is relative is relative to that.

# All targets, or those that were named.
targets=()
choose_targets() { # [TARGET...]
    targets=("$@")
    if [ $# = 0 ]; then
        for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
    fi
    for target in "${targets[@]}"; do
        if [ ! -d "corpus/$target" ]; then echo "no target $target" >&2; exit 2; fi
    done
}

# Two that fuzz in this folder would count each other's work.
enter() {
    mkdir -p work
    exec 8>work/lock
    flock -n 8 || { echo "somebody is fuzzing here" >&2; exit 2; }
}

# Counters for libFuzzer in all code but build scripts: those are what
# --target leaves out. Tracing compares as well (trace-compares) finds the same
# edges at half the speed: almost all of ours are of single bytes.
build() {
    local coverage=(
        -Cpasses=sancov-module
        -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table
    )
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
    RUSTFLAGS="--cfg fuzzing ${coverage[*]}" cargo build --release --locked --target "$host"
    bin=$CARGO_TARGET_DIR/$host/release
}

# The longest input that is worth the time.
max_len() { # TARGET
    case $1 in
        frame_header) echo 24 ;;
        mask | utf8) echo 160 ;;
        extensions) echo 256 ;;
        extended) echo 700 ;;
        request_head | response_head) echo 1400 ;;
        *) echo 512 ;;
    esac
}

# Options of libFuzzer for a target: what an input may take, and where goes what
# took more. Memory is 256 MiB, time a second.
limits() { # TARGET
    echo "-max_len=$(max_len "$1")" -timeout=1 -rss_limit_mb=256 "-artifact_prefix=artifacts/$1/"
    case $1 in
        *_head) echo -dict=http.dict ;;
        extended) echo -dict=extended.dict ;;
    esac
}

# Fuzzes for so many seconds; what libFuzzer says goes to work/TARGET.log.
# Fails if an input did. A second of the clock can pass in less of the
# processor's on a busy machine, and only a person can tell from one case: so an
# input that took too long is tried again, alone, and is forgiven only if it then
# is fast, twice.
fuzz() { # TARGET SECONDS
    local target=$1 log=work/$1.log until=$((SECONDS + $2)) options left status artifact
    mkdir -p "work/$target" "artifacts/$target"
    : >"$log"
    read -ra options <<<"$(limits "$target" | tr '\n' ' ')"
    while left=$((until - SECONDS)) && [ $left -gt 0 ]; do
        # New finds go to the first folder, outside of git; the second is read.
        status=0
        "$bin/$target" "${options[@]}" -max_total_time=$left -print_final_stats=1 \
            "work/$target" "corpus/$target" >"work/$target.part" 2>&1 || status=$?
        cat "work/$target.part" >>"$log"
        # 72: somebody has interrupted it.
        case $status in 0 | 72) return 0 ;; esac
        artifact=$(sed -n 's/.*Test unit written to //p' "work/$target.part" | tail -1)
        case $artifact in
            */timeout-* | */slow-unit-*) ;;
            *) return 1 ;;
        esac
        if ! is_fast_alone "$target" "$artifact"; then return 1; fi
        echo "$target: $artifact took over a second, and twice less when it was tried again" >&2
        echo "$target: taken for the fault of a busy machine" >&2
        mv "$artifact" "work/$target.${artifact##*/}"
    done
}

is_fast_alone() { # TARGET ARTIFACT
    for _ in 1 2; do
        "$bin/$1" -timeout=1 -rss_limit_mb=256 "$2" >>"work/$1.log" 2>&1 || return 1
    done
}

# What was wrong is above libFuzzer's own report.
show_failure() { # TARGET
    grep -v '^#\|^INFO\|^WARNING\|^stat::' "work/$1.log" | head -40 >&2
}

# A number of the final statistics; added up, if it was started more than once.
stat() { # NAME TARGET
    sed -n "s/^stat::$1: *//p" "work/$2.log" | awk '{ sum += $1 } END { print sum + 0 }'
}

# The edges that the corpus and the finds reach, as libFuzzer counts them.
edges() { # TARGET
    grep -o ' cov: [0-9]*' "work/$1.log" | tr -dc '0-9\n' | sort -n | tail -1
}

# Runs a command for each target, so many at once; fails if one has.
for_each() { # JOBS COMMAND TARGET...
    local jobs=$1 command=$2 running=0 failed=0
    shift 2
    for target in "$@"; do
        if [ $running = "$jobs" ]; then
            reap || failed=1
            running=$((running - 1))
        fi
        "$command" "$target" &
        running=$((running + 1))
    done
    while [ $running -gt 0 ]; do
        reap || failed=1
        running=$((running - 1))
    done
    return $failed
}

# Waits for one of the jobs. A signal that we handle ends a wait, but no job. (A
# job that died of one is waited for again, and then there is none: 127.)
reap() {
    local status=129
    while [ $status -gt 128 ]; do
        status=0
        wait -n || status=$?
    done
    return $status
}
