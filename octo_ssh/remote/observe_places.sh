# Package places alone, as another user. Words: root (absolute) project environment, then as `observe`
o_root=$1
o_project=$2
o_environment=$3
shift 3
tell_places "$@"
finish 0
