# Hand the files of a revision to a command: check_out.sh REPOSITORY REVISION COMMAND…
# Run by the build user in its sandbox, never by root.
set -eo pipefail
export GIT_DIR="$1"
revision="$2"
if ! git cat-file -e "$revision^{commit}" 2>/dev/null; then
    echo "there is no commit $revision on any branch or tag of the repository: it was taken out"
    echo "there, or never pushed; set revision to another one, or remove it to deploy the branch"
    exit 1
fi
# awk reads all of it: a reader that ends early would end git with an error.
modules=$(git ls-tree -r "$revision" | awk -F '\t' '/^160000 / && n++ < 5 { print $2 }')
if [ -n "$modules" ]; then
    echo "submodules, which are not fetched: $(paste -sd ' ' <<< "$modules")"
    echo "install them with composer, or commit their files (git subtree add)"
    exit 1
fi
# An archive of all that was committed, as in a checkout: export-ignore is for downloads.
mkdir -p "$GIT_DIR/info"
echo '* -export-ignore' > "$GIT_DIR/info/attributes"
git archive "$revision" | "${@:3}"
