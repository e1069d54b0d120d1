# Completion of joule in fish, printed by 'joule completion fish'.

function __joule_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    type -q -f -- $program; or set program joule
    _JOULE_COMPLETE=fish_complete $program $words[2..] "$current" 2>/dev/null </dev/null
end

complete --command joule --no-files --keep-order --arguments '(__joule_complete)'
