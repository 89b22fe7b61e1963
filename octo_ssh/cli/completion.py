"""The completion scripts. They ask the program itself, so they never grow old.

Each is read by its shell at start; its first lines say where it belongs.
"""

from __future__ import annotations

_BASH = r"""# octo-ssh completion for bash: save it as ~/.local/share/bash-completion/completions/octo-ssh, or source it
_octo_ssh() {
    local IFS=$'\n'
    COMPREPLY=($(
        COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _OCTO_SSH_COMPLETE=complete_bash "$1" 2>/dev/null
    ))
}
complete -o default -F _octo_ssh octo-ssh
"""

_ZSH = r"""#compdef octo-ssh
# octo-ssh completion for zsh: save it as _octo-ssh in a folder of $fpath
_octo_ssh() {
    eval "$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _OCTO_SSH_COMPLETE=complete_zsh octo-ssh 2>/dev/null)"
}
if [ "$funcstack[1]" = _octo-ssh ]; then
    _octo_ssh "$@"
else
    compdef _octo_ssh octo-ssh
fi
"""

_FISH = r"""# octo-ssh completion for fish: save it as ~/.config/fish/completions/octo-ssh.fish
function __octo_ssh
    set -lx _OCTO_SSH_COMPLETE complete_fish
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    set -lx _TYPER_COMPLETE_FISH_ACTION $argv[1]
    octo-ssh 2>/dev/null
end
complete --command octo-ssh --no-files --arguments '(__octo_ssh get-args)' --condition '__octo_ssh is-args'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""By the shell's name."""
