#include "textflag.h"

// func prefetch(data []byte)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVQ data_base+0(FP), AX
	MOVQ data_len+8(FP), CX
	ADDQ AX, CX
	ANDQ $~63, AX
line:
	CMPQ AX, CX
	JAE  done
	PREFETCHT0 (AX)
	ADDQ $64, AX
	JMP  line
done:
	RET
