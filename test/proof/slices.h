/*
 * main of a proof: check(slice) of any bytes of each length up to MOST. They end where the
 * memory ends, so that one byte read too far is an access out of bounds. To be included at the
 * end, for what stands in a macro is no annotation.
 */
int main(void)
{
	static uint8_t bytes[MOST];
	size_t len = Frama_C_size_t_interval(0, MOST);

	PROOF_UNKNOWN(bytes);
	//@ split len;
	check(slice_of(bytes + (MOST - len), len));
	return 0;
}
