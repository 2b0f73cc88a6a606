# Runs many read-only shell commands, several at a time, and tells of each what it printed.
#
# Standard input: how long the rest is, then a mark, a limit in seconds, how much one may print, and
# groups of commands, each with its shell and its text; it stays open as long as somebody wants to
# know. A group begins when the one before has ended. Standard output, for each group: the mark; for
# each command its number, its wait status and what it printed, in the order in which that came; at
# last the mark again. Nothing is written to any file.
use strict;

# It only kept perl from complaining about the locale: the commands must not see it.
delete $ENV{PERL_BADLANG};

sub receive {
    my ($size) = @_;
    my $got = '';
    while (length $got < $size) {
        sysread(STDIN, $got, $size - length $got, length $got) or exit 1;
    }
    return $got;
}

my ($mark, $limit, $most, @groups) = unpack '(N/a*)*', receive(unpack 'N', receive(4));
my (%running, %open, @waiting);

sub leave { kill 'KILL', map { -$_ } keys %running; exit 1 }
$SIG{$_} = \&leave for qw(ALRM HUP INT PIPE TERM);
alarm $limit;

sub hand_over {
    my ($data) = @_;
    while (length $data) {
        my $sent = syswrite STDOUT, $data;
        defined $sent or leave();
        substr($data, 0, $sent) = '';
    }
}

# What reads its standard input finds its end at once.
pipe(my $nothing, my $unused) or exit 1;
close $unused;

sub start {
    my ($job) = @_;
    pipe(my $out, my $out_end) && pipe(my $err, my $err_end) or leave();
    my $pid = fork;
    defined $pid or leave();
    if (!$pid) {
        setpgrp 0, 0;
        open STDIN, '<&', $nothing;
        open STDOUT, '>&', $out_end;
        open STDERR, '>&', $err_end;
        # sudo tells a command what it was asked for; of this one that would be another thing.
        # KNOWN stands for what sets umask and language before each command.
        if (exists $ENV{SUDO_COMMAND}) {
            my ($program) = grep { -x } map { "$_/$job->{shell}" } split /:/, $ENV{PATH};
            my $arguments = substr "-c KNOWN $job->{text}", 0, 4096;
            $ENV{SUDO_COMMAND} = ($program || $job->{shell}) . " $arguments";
        }
        exec { $job->{shell} } $job->{shell}, '-c', $job->{text} or exit 127;
    }
    setpgrp $pid, $pid;
    @$job{qw(pid left size said)} = ($pid, 2, 0, '');
    $running{$pid} = $job;
    $open{fileno $out} = [$out, 'o', $job];
    $open{fileno $err} = [$err, 'e', $job];
}

sub hear {
    my ($descriptor) = @_;
    my ($handle, $stream, $job) = @{ $open{$descriptor} };
    my $got = sysread $handle, my $data, 65536;
    if ($got) {
        $job->{size} += $got;
        $job->{said} .= pack 'N/a*', $stream . $data if $job->{size} <= $most;
        kill 'KILL', -$job->{pid} if $job->{size} > $most;
    } else {
        delete $open{$descriptor};
        --$job->{left} or finish($job);
    }
}

sub finish {
    my ($job) = @_;
    waitpid $job->{pid}, 0;
    my $status = $job->{size} > $most ? 0xffff : $?;
    delete $running{ $job->{pid} };
    hand_over(pack 'N/a*', pack('N n', $job->{number}, $status) . $job->{said});
}

my $at_once = (qx(nproc 2>&1) =~ /^(\d+)$/) ? $1 : 1;
$at_once = 32 if $at_once > 32;
for my $group (@groups) {
    my @words = unpack '(N/a*)*', $group;
    push @waiting, { number => scalar @waiting, shell => shift @words, text => shift @words }
        while @words;
    hand_over($mark);
    while (@waiting || %running) {
        start(shift @waiting) while @waiting && keys %running < $at_once;
        my $awaited = '';
        vec($awaited, $_, 1) = 1 for 0, keys %open;
        select($awaited, undef, undef, undef) > 0 or next;
        leave() if vec $awaited, 0, 1;    # nobody is there any more
        vec($awaited, $_, 1) && hear($_) for keys %open;
    }
    hand_over(pack 'N/a*', $mark);
}
