#!/usr/bin/env bash
# Prints where a Chromium is, for the browser tests and the pictures. Where there is none, root of a Debian gets one.
set -euo pipefail
find_one() {
    if [ -n "${CHROMIUM:-}" ]; then
        command -v "$CHROMIUM"
        return
    fi
    local each
    for each in chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        /Applications/Chromium.app/Contents/MacOS/Chromium; do
        command -v "$each" && return
    done
    return 1
}
if find_one; then
    exit 0
fi
if [ -n "${CHROMIUM:-}" ]; then
    printf 'CHROMIUM is %s: expected a Chromium or Chrome\n' "$CHROMIUM" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'setup: installing Chromium, and fonts for all scripts\n' >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji >/dev/null
    find_one && exit 0
fi
printf '%s\n' "setup: needs Chromium or Chrome: install it (on Debian and Ubuntu: apt-get install chromium)," \
    "or set CHROMIUM to where it is." >&2
exit 1
