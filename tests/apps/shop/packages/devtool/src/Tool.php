<?php

namespace Chom\Devtool;

class Tool
{
}
