/*
 * main of a proof: check(slice) of any bytes of each length up to MOST. They end where the
 * memory ends, so that one byte read too far is an access out of bounds. To be included at the
 * end, for what stands in a macro is no annotation. PROOF_LENGTH: of bytes that show a seeded bug.
 */
int main(void)
{
	static uint8_t bytes[MOST];
#ifdef PROOF_LENGTH
	size_t len = PROOF_LENGTH;
#else
	size_t len = Frama_C_size_t_interval(0, MOST);
#endif

	PROOF_UNKNOWN(bytes);
	//@ split len;
	check(slice_of(bytes + (MOST - len), len));
	return 0;
}
