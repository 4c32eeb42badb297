/*
 * The clock that is shown (RFC 5905, 11.3, simplified): time is corrected by running a
 * little faster or slower, and what had to be corrected since the last time tells how wrong
 * the oscillator's frequency is.
 */
#include "ntp_private.h"

/* RFC 5905, 11.3. */
#define STEP  ((int64_t)KILN_MS(128))
#define AHEAD ((int64_t)KILN_SECONDS(1)) /* more than this is worked off at half speed */
enum { SLOWLY = 2000, FAST = 2 };        /* 500 ppm, and half: 1 ns in so many */
enum { FREQUENCY_GAIN = 2 };             /* the part of it that is believed at once */
#define FREQUENCY_AFTER KILN_SECONDS(30) /* a shorter time tells nothing of it */

/* What of the slew is worked off after a time. */
static int64_t slewed(const struct ntp_clock *clock, kiln_time elapsed)
{
	int64_t left = clock->slew < 0 ? -clock->slew : clock->slew;
	int64_t done = (int64_t)(elapsed / (clock->slew < -AHEAD ? FAST : SLOWLY));

	done = KILN_MIN(done, left);
	return clock->slew < 0 ? -done : done;
}

/* Split at whole seconds, lest the product overflow. */
static int64_t drifted(const struct ntp_clock *clock, kiln_time elapsed)
{
	int64_t seconds = (int64_t)(elapsed / KILN_SECONDS(1));
	int64_t rest = (int64_t)(elapsed % KILN_SECONDS(1));

	return seconds * clock->frequency +
	       rest * clock->frequency / (int64_t)KILN_SECONDS(1);
}

kiln_time ntp_clock_read(const struct ntp_clock *clock, kiln_time now)
{
	kiln_time elapsed = now - clock->base;

	return clock->wall + elapsed + (kiln_time)drifted(clock, elapsed) +
	       (kiln_time)slewed(clock, elapsed);
}

/* Starts anew from what is shown now. */
static void rebase(struct ntp_clock *clock, kiln_time now)
{
	kiln_time wall = ntp_clock_read(clock, now);

	clock->slew -= slewed(clock, now - clock->base);
	clock->wall = wall;
	clock->base = now;
}

static void learn_frequency(struct ntp_clock *clock, kiln_time passed, int64_t unexpected)
{
	if (passed < FREQUENCY_AFTER)
		return;
	int64_t ms = (int64_t)(passed / KILN_MS(1));
	int64_t frequency = clock->frequency + unexpected / FREQUENCY_GAIN * 1000 / ms;
	frequency = KILN_MIN(frequency, NTP_FREQUENCY_MOST);
	clock->frequency = (int32_t)KILN_MAX(frequency, -NTP_FREQUENCY_MOST);
}

bool ntp_clock_correct(struct ntp_clock *clock, kiln_time now, int64_t offset)
{
	bool far = offset > STEP || offset < -STEP;

	rebase(clock, now);
	if (clock->set_at == 0) {
		clock->wall += (kiln_time)offset;
		clock->set_at = now;
		return true;
	}
	if (far && !clock->suspect) {
		clock->suspect = true;
		return false;
	}
	clock->suspect = false;
	if (!far)
		learn_frequency(clock, now - clock->set_at, offset - clock->slew);
	if (offset > STEP) {
		clock->wall += (kiln_time)offset;
		offset = 0;
	}
	clock->slew = offset;
	clock->set_at = now;
	return true;
}
