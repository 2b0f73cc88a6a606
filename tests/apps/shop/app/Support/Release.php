<?php

namespace App\Support;

class Release
{
    /** The id of the release that this code is in. */
    public static function id(): string
    {
        return trim((string) @file_get_contents(base_path('.release')));
    }
}
