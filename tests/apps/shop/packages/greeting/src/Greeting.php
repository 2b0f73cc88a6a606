<?php

namespace Chom\Greeting;

class Greeting
{
    public static function text(): string
    {
        return 'Welcome to the shop';
    }
}
