// Preloaded into the processes that a stack starts: without their stack, even one that was killed by
// -9 and could not say so, they stop as if told to.

process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
