/* What the standard library asks of an unwinder. Nothing unwinds here, since a panic ends the
   program; so a trace of calls is empty. An NDK has the real ones. */
int _Unwind_Backtrace(void *step, void *argument) { (void)step, (void)argument; return 0; }
unsigned long _Unwind_GetIP(void *context) { (void)context; return 0; }
