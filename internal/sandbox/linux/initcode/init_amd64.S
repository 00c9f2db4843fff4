# The program at /var/rapid/init inside every environment. See init.go for what
# its three modes do and how the daemon talks to it. After the code, at params,
# the daemon appends the seccomp filter: its length in instructions (8 bytes),
# then the instructions.
	.globl	_start
	.text
_start:
	mov	(%rsp), %rdi		# argc
	cmp	$2, %rdi
	jb	init
	mov	16(%rsp), %rax		# argv[1]
	cmpb	$'p', (%rax)
	je	probe

	.equ	REGION, 0x10000000	# where the daemon's message goes: gateRegion
	.equ	ROOM, 0x1ff000		# and how long it may be: gateRoom
	.equ	CONTROL, REGION+ROOM	# a page for the descriptors that come with it
	.equ	STATUS, 255
gate:	# descriptor 0 is the socket to the daemon
	sub	$128, %rsp
	xor	%r15d, %r15d		# where the status goes
	mov	$5, %r12d		# step 5
	mov	$292, %eax		# dup3(0, STATUS, O_CLOEXEC): out of the way
	xor	%edi, %edi
	mov	$STATUS, %esi
	mov	$0x80000, %edx
	syscall
	test	%rax, %rax
	js	fail
	mov	$STATUS, %r15d
	mov	$3, %eax		# close(0)
	xor	%edi, %edi
	syscall

	mov	$9, %eax		# mmap(REGION, …, READ|WRITE, PRIVATE|FIXED|ANONYMOUS, -1, 0)
	mov	$REGION, %edi
	mov	$ROOM+4096, %esi
	mov	$3, %edx
	mov	$0x32, %r10d
	mov	$-1, %r8
	xor	%r9d, %r9d
	syscall
	test	%rax, %rax
	js	fail

	lea	params(%rip), %rcx	# struct sock_fprog at sp
	mov	(%rcx), %rax
	mov	%rax, (%rsp)
	lea	8(%rcx), %rax
	mov	%rax, 8(%rsp)
	mov	$317, %eax		# seccomp(SECCOMP_SET_MODE_FILTER, 0, sp)
	mov	$1, %edi
	xor	%esi, %esi
	mov	%rsp, %rdx
	syscall
	mov	$2, %r12d		# step 2
	test	%rax, %rax
	jnz	fail

	xor	%eax, %eax		# struct msghdr at sp, struct iovec at sp+64
	mov	%rax, (%rsp)
	mov	%rax, 8(%rsp)
	lea	64(%rsp), %rcx
	mov	%rcx, 16(%rsp)
	movq	$1, 24(%rsp)
	movq	$CONTROL, 32(%rsp)
	movq	$1040, 40(%rsp)
	mov	%rax, 48(%rsp)
	movq	$REGION, 64(%rsp)
	movq	$ROOM, 72(%rsp)
	mov	$47, %eax		# recvmsg(STATUS, sp, 0): the go-ahead
	mov	$STATUS, %edi
	mov	%rsp, %rsi
	xor	%edx, %edx
	syscall
	cmp	$48, %rax
	jl	die			# the daemon has given up
	mov	%rax, %r13		# so much is there
	mov	$5, %r12d		# step 5
	mov	$-24, %rax		# EMFILE: not all descriptors have come
	testl	$8, 48(%rsp)
	jnz	fail
more:
	mov	$REGION, %r14d
	cmp	(%r14), %r13		# its length
	jae	whole
	xor	%eax, %eax		# read(STATUS, REGION+r13, the rest)
	mov	$STATUS, %edi
	lea	(%r14,%r13), %rsi
	mov	$ROOM, %edx
	sub	%r13, %rdx
	syscall
	test	%rax, %rax
	jle	die
	add	%rax, %r13
	jmp	more
whole:
	mov	$1, %r12d		# step 1
	lea	48(%r14), %r13		# the next limit: resource, soft, hard
	mov	8(%r14), %rax		# their number
	lea	(%rax,%rax,2), %rax
	lea	(%r13,%rax,8), %rbx	# their end
limit:
	cmp	%rbx, %r13
	jae	limited
	mov	$302, %eax		# prlimit64(0, resource, &soft, 0)
	xor	%edi, %edi
	mov	(%r13), %rsi
	lea	8(%r13), %rdx
	xor	%r10d, %r10d
	syscall
	test	%rax, %rax
	jnz	fail
	add	$24, %r13
	jmp	limit
limited:
	mov	$4, %r12d		# step 4
	mov	16(%r14), %rdi		# chdir(dir), where there is one
	test	%rdi, %rdi
	jz	execute
	mov	$80, %eax
	syscall
	test	%rax, %rax
	jnz	fail
execute:
	mov	24(%r14), %rdi		# execve(path, argv, envp)
	mov	32(%r14), %rsi
	mov	40(%r14), %rdx
	mov	$59, %eax
	syscall
	mov	$3, %r12d		# step 3

fail:	# the status: errno, step
	neg	%eax
	mov	%eax, (%rsp)
	mov	%r12d, 4(%rsp)
	mov	$1, %eax		# write(status, sp, 8)
	mov	%r15d, %edi
	mov	%rsp, %rsi
	mov	$8, %edx
	syscall
die:
	mov	$231, %eax		# exit_group(127)
	mov	$127, %edi
	syscall

probe:
	mov	$231, %eax		# exit_group(0)
	xor	%edi, %edi
	syscall

init:	# descriptor 3 is the status descriptor
	lea	proc(%rip), %rdi	# mount("proc", "/proc", "proc", NOSUID|NODEV|NOEXEC, 0)
	lea	target(%rip), %rsi
	mov	%rdi, %rdx
	mov	$14, %r10d
	xor	%r8d, %r8d
	mov	$165, %eax
	syscall
	mov	%eax, %r12d

	mov	$17, %edi		# rt_sigaction(SIGCHLD, SIG_IGN, 0, 8): orphans need no wait
	lea	ignore(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	mov	$13, %eax
	syscall

	mov	$4, %edi		# prctl(PR_SET_DUMPABLE, 0): not even for its own user
	xor	%esi, %esi
	mov	$157, %eax
	syscall
	or	%eax, %r12d

	lea	caphdr(%rip), %rdi	# capset(version 3, none)
	lea	nocaps(%rip), %rsi
	mov	$126, %eax
	syscall
	or	%eax, %r12d

	neg	%r12d
	push	%r12
	mov	$3, %edi		# write(3, errno, 4)
	mov	%rsp, %rsi
	mov	$4, %edx
	mov	$1, %eax
	syscall
	mov	$3, %edi		# close(3)
	mov	$3, %eax
	syscall
wait:
	mov	$34, %eax		# pause()
	syscall
	jmp	wait

	.balign	8
ignore:	.quad	1, 0, 0, 0
caphdr:	.long	0x20080522, 0
nocaps:	.quad	0, 0, 0
proc:	.asciz	"proc"
target:	.asciz	"/proc"
	.balign	8
params:
