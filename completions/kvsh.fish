# Tab for kvsh in fish.

# __kvsh_complete hands the line up to the cursor to the program, which splits
# it into words. It evaluates nothing: fish itself quotes what is inserted, and
# puts no blank behind a level, which ends with one of : / .
function __kvsh_complete
    set -l line (commandline -cp | string collect)
    set -l program (commandline -opc)[1]
    type -q -- "$program"; and not functions -q -- "$program"; or set program kvsh
    set -l answer ($program __tab fish "$line" 2>/dev/null)
    or return
    if test "$answer[1]" = files
        __fish_complete_path (commandline -ct)
        return
    end
    set -e answer[1]
    printf '%s\n' $answer
end

complete -c kvsh -e
complete -c kvsh -k -f -a '(__kvsh_complete)'
