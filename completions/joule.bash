# Completion of joule in bash, printed by 'joule completion bash'.

_joule_completion() {
    local program=$1 line
    local -a answer=()
    type -P -- "$program" >/dev/null || program=joule
    while IFS= read -r line; do
        answer+=("$line")
    done < <(
        _JOULE_COMPLETE=bash_complete "$program" \
            "${COMP_LINE:0:COMP_POINT}" "$2" "${COMP_TYPE:-9}" 2>/dev/null </dev/null
    )
    COMPREPLY=()
    # the first line tells whether a blank may follow
    if [[ ${answer[0]-} == open ]]; then
        compopt -o nospace 2>/dev/null
    fi
    if ((${#answer[@]} > 1)); then
        COMPREPLY=("${answer[@]:1}")
    fi
}

complete -o nosort -F _joule_completion joule 2>/dev/null ||
    complete -F _joule_completion joule
