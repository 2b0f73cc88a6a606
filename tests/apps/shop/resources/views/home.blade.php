<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ config('app.name') }}</title>
<link rel="stylesheet" href="/css/app.css">
</head>
<body>
<h1>{{ $greeting }}</h1>
<p>release: {{ $release }}</p>
<p>Laravel {{ $laravel }}, PHP {{ PHP_VERSION }}</p>
</body>
</html>
