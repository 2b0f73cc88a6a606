<?php

// Debian's package php-laravel-framework, which composer knows nothing of.
require_once '/usr/share/php/Illuminate/autoload.php';
