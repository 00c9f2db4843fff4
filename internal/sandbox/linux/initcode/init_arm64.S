// The program at /var/rapid/init inside every environment: init_amd64.S, which
// has the comments, for arm64.
	.globl	_start
	.text
_start:
	ldr	x0, [sp]
	cmp	x0, #2
	b.lo	init
	ldr	x0, [sp, #16]
	ldrb	w0, [x0]
	cmp	w0, #'p'
	b.eq	probe

	.equ	ROOM, 0x1ff000
	.equ	STATUS, 255
gate:
	sub	sp, sp, #128
	mov	w24, #0			// where the status goes
	mov	w21, #5
	mov	x0, #0			// dup3(0, STATUS, O_CLOEXEC)
	mov	x1, #STATUS
	mov	x2, #0x80000
	mov	x8, #24
	svc	#0
	tbnz	x0, #63, fail
	mov	w24, #STATUS
	mov	x0, #0			// close(0)
	mov	x8, #57
	svc	#0

	mov	x20, #0x10000000	// REGION
	mov	x25, #ROOM & 0xffff
	movk	x25, #ROOM >> 16, lsl #16
	mov	x0, x20			// mmap(REGION, …, READ|WRITE, PRIVATE|FIXED|ANONYMOUS, -1, 0)
	add	x1, x25, #4096
	mov	x2, #3
	mov	x3, #0x32
	mov	x4, #-1
	mov	x5, #0
	mov	x8, #222
	svc	#0
	tbnz	x0, #63, fail

	adr	x3, params		// seccomp(SECCOMP_SET_MODE_FILTER, 0, sp)
	ldr	x4, [x3]
	add	x3, x3, #8
	stp	x4, x3, [sp]
	mov	x0, #1
	mov	x1, #0
	mov	x2, sp
	mov	x8, #277
	svc	#0
	mov	w21, #2
	cbnz	x0, fail

	add	x3, sp, #64		// struct msghdr at sp, struct iovec at sp+64
	mov	x4, #1
	add	x5, x20, x25		// CONTROL
	mov	x6, #1040
	stp	xzr, xzr, [sp]
	stp	x3, x4, [sp, #16]
	stp	x5, x6, [sp, #32]
	str	xzr, [sp, #48]
	stp	x20, x25, [sp, #64]
	mov	x0, #STATUS		// recvmsg(STATUS, sp, 0)
	mov	x1, sp
	mov	x2, #0
	mov	x8, #212
	svc	#0
	cmp	x0, #48
	b.lt	die
	mov	x22, x0			// so much is there
	mov	w21, #5
	ldr	w1, [sp, #48]
	mov	x0, #-24		// EMFILE
	tbnz	w1, #3, fail
more:
	ldr	x1, [x20]		// its length
	cmp	x22, x1
	b.hs	whole
	mov	x0, #STATUS		// read(STATUS, REGION+x22, the rest)
	add	x1, x20, x22
	sub	x2, x25, x22
	mov	x8, #63
	svc	#0
	cmp	x0, #0
	b.le	die
	add	x22, x22, x0
	b	more
whole:
	mov	w21, #1
	add	x22, x20, #48		// the next limit
	ldr	x1, [x20, #8]
	add	x1, x1, x1, lsl #1
	add	x23, x22, x1, lsl #3	// their end
limit:
	cmp	x22, x23
	b.hs	limited
	mov	x0, #0			// prlimit64(0, resource, &soft, 0)
	ldr	x1, [x22]
	add	x2, x22, #8
	mov	x3, #0
	mov	x8, #261
	svc	#0
	cbnz	x0, fail
	add	x22, x22, #24
	b	limit
limited:
	mov	w21, #4
	ldr	x0, [x20, #16]		// chdir(dir), where there is one
	cbz	x0, execute
	mov	x8, #49
	svc	#0
	cbnz	x0, fail
execute:
	ldp	x0, x1, [x20, #24]	// execve(path, argv, envp)
	ldr	x2, [x20, #40]
	mov	x8, #221
	svc	#0
	mov	w21, #3

fail:
	neg	w0, w0
	stp	w0, w21, [sp]
	mov	w0, w24			// write(status, sp, 8)
	mov	x1, sp
	mov	x2, #8
	mov	x8, #64
	svc	#0
die:
	mov	x0, #127		// exit_group(127)
	mov	x8, #94
	svc	#0

probe:
	mov	x0, #0			// exit_group(0)
	mov	x8, #94
	svc	#0

init:
	adr	x0, proc		// mount("proc", "/proc", "proc", NOSUID|NODEV|NOEXEC, 0)
	adr	x1, target
	mov	x2, x0
	mov	x3, #14
	mov	x4, #0
	mov	x8, #40
	svc	#0
	mov	w21, w0

	mov	x0, #17			// rt_sigaction(SIGCHLD, SIG_IGN, 0, 8)
	adr	x1, ignore
	mov	x2, #0
	mov	x3, #8
	mov	x8, #134
	svc	#0

	mov	x0, #4			// prctl(PR_SET_DUMPABLE, 0)
	mov	x1, #0
	mov	x8, #167
	svc	#0
	orr	w21, w21, w0

	adr	x0, caphdr		// capset(version 3, none)
	adr	x1, nocaps
	mov	x8, #91
	svc	#0
	orr	w21, w21, w0

	neg	w21, w21
	str	x21, [sp, #-16]!
	mov	x0, #3			// write(3, errno, 4)
	mov	x1, sp
	mov	x2, #4
	mov	x8, #64
	svc	#0
	mov	x0, #3			// close(3)
	mov	x8, #57
	svc	#0
wait:
	mov	x0, #0			// ppoll(0, 0, 0, 0, 0)
	mov	x1, #0
	mov	x2, #0
	mov	x3, #0
	mov	x4, #0
	mov	x8, #73
	svc	#0
	b	wait

	.balign	8
ignore:	.quad	1, 0, 0, 0
caphdr:	.long	0x20080522, 0
nocaps:	.quad	0, 0, 0
proc:	.asciz	"proc"
target:	.asciz	"/proc"
	.balign	8
params:
