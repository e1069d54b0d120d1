"""The scripts that shells load: ``joule completion SHELL`` prints them.

Each hands the words on the line to the program, as they are, and offers what it answers.
"""

from __future__ import annotations

BASH = """\
# Completion of joule in bash, printed by 'joule completion bash'.

_joule_completion() {
    local program=$1 line
    local -a answer=()
    type -P -- "$program" >/dev/null || program=joule
    while IFS= read -r line; do
        answer+=("$line")
    done < <(
        _JOULE_COMPLETE=bash_complete "$program" \\
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
"""

ZSH = """\
#compdef joule
# Completion of joule in zsh, printed by 'joule completion zsh'.

_joule() {
    local program=${(Q)words[1]} line
    local -a answer parts whole open
    whence -p -- "$program" >/dev/null || program=joule
    answer=("${(@f)$(
        _JOULE_COMPLETE=zsh_complete "$program" \\
            "${(@)words[2,CURRENT-1]}" "$QIPREFIX$IPREFIX$PREFIX" 2>/dev/null </dev/null
    )}")
    local -i found=1
    for line in "${answer[@]}"; do
        parts=("${(@ps:\\t:)line}")
        case $parts[1] in
            whole) whole+=("$parts[2]") ;;
            open) open+=("$parts[2]") ;;
            files | directories)
                [[ $PREFIX == --*=* ]] && compset -P '--[^=]#='
                [[ $PREFIX == (file|unix):* ]] && compset -P '*:'
                if [[ $parts[1] == directories ]]; then
                    _directories && found=0
                elif [[ -n $parts[2] ]]; then
                    _files -g "$parts[2]" && found=0
                else
                    _files && found=0
                fi
                ;;
        esac
    done
    if (($#whole || $#open)); then
        _describe -V value open -S '' -- whole && found=0
    fi
    return found
}

if [[ $funcstack[1] == _joule ]]; then
    # loaded by its name from a directory of functions
    _joule "$@"
elif (($+functions[compdef])); then
    compdef _joule joule
fi
"""

FISH = """\
# Completion of joule in fish, printed by 'joule completion fish'.

function __joule_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    type -q -f -- $program; or set program joule
    _JOULE_COMPLETE=fish_complete $program $words[2..] "$current" 2>/dev/null </dev/null
end

complete --command joule --no-files --keep-order --arguments '(__joule_complete)'
"""

#: ``{shell: script}``
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
