# Compare two revisions of a repository: compare.sh MIRROR REPOSITORY OLD NEW
# Prints "count COMING LEAVING" if it knows both, "subject TEXT" for the newest commits that come,
# and "migration FILE" for each in NEW. Run by the build user in a sandbox whose /tmp is its own, so
# that nothing is left of what is fetched here.
set -eo pipefail
mirror="$1" repository="$2" old="$3" new="$4"
GIT_DIR=$(mktemp -d)
export GIT_DIR
git init --quiet --bare "$GIT_DIR"
if [ -d "$mirror/objects" ]; then
    # What is known already is neither fetched again nor written to.
    echo "$mirror/objects" > "$GIT_DIR/objects/info/alternates"
fi
if ! git cat-file -e "$new^{commit}" 2>/dev/null; then
    git fetch --quiet --no-write-fetch-head -- "$repository" \
        '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' 2>&1
fi
if git cat-file -e "$old^{commit}" 2>/dev/null; then
    echo "count $(git rev-list --count "$old..$new") $(git rev-list --count "$new..$old")"
    git log --max-count=20 --format='subject %s' "$old..$new"
fi
git ls-tree --name-only "$new" database/migrations/ | sed 's/^/migration /'
