# Completion of kiln's command line for bash: the command itself knows what can stand there.

_kiln()
{
	local line word start
	local -a words

	# As they were typed: bash's own words end at '=' and ':' as well.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
	word=${words[-1]}
	# What stands before the last '=' or ':' is not part of what bash replaces.
	start=${word%"${word##*[=:]}"}

	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		@file)
			compopt -o filenames
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${word#"$start"}")
			;;
		@folder)
			compopt -o filenames
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "${word#"$start"}")
			;;
		*)
			line=${line%%$'\t'*}
			COMPREPLY+=("${line#"$start"}")
			;;
		esac
	done < <("${words[0]/#\~/$HOME}" complete "${words[@]:1}" 2>/dev/null)
}

complete -F _kiln kiln
