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
	je	probe

gate:	# argv: init, a character whose value is the status descriptor, path, args…
	mov	%rsp, %rbp
	mov	16(%rbp), %rax
	movzbl	(%rax), %ebx		# the status descriptor
	sub	$112, %rsp

	xor	%eax, %eax		# read(status, sp, 96): the go-ahead, with limits
	mov	%ebx, %edi
	mov	%rsp, %rsi
	mov	$96, %edx
	syscall
	cmp	$24, %rax
	jl	die			# the daemon has given up

	mov	%rsp, %r13		# the next limit: resource, soft, hard
	lea	(%rsp,%rax), %r14	# their end
	mov	$1, %r12d		# step 1
limit:
	mov	$302, %eax		# prlimit64(0, resource, &soft, 0)
	xor	%edi, %edi
	mov	(%r13), %rsi
	lea	8(%r13), %rdx
	xor	%r10d, %r10d
	syscall
	test	%rax, %rax
	jnz	fail
	add	$24, %r13
	cmp	%r14, %r13
	jb	limit

	mov	$72, %eax		# fcntl(status, F_SETFD, FD_CLOEXEC)
	mov	%ebx, %edi
	mov	$2, %esi
	mov	$1, %edx
	syscall

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

	mov	24(%rbp), %rdi		# execve(argv[2], &argv[3], &argv[argc+1])
	lea	32(%rbp), %rsi
	mov	(%rbp), %rax
	lea	16(%rbp,%rax,8), %rdx
	mov	$59, %eax
	syscall
	mov	$3, %r12d		# step 3

fail:	# the status: errno, step
	neg	%eax
	mov	%eax, (%rsp)
	mov	%r12d, 4(%rsp)
	mov	$1, %eax		# write(status, sp, 8)
	mov	%ebx, %edi
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
