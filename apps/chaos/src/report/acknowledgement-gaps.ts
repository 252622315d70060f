const STEP_MS = 100;
/** One minute; it doubles when it is full. 30 minutes take 18,000 bytes. */
const STEPS_AT_FIRST = 600;

/**
 * The silence between acknowledgements, recorded in steps of 100 ms.
 *
 * Every acknowledgement of the run passes here, so recording one is a single write. A gap is counted in whole empty
 * steps. It is never longer than the silence was, and less than 200 ms shorter.
 */
export class AcknowledgementGaps {
  private came = new Uint8Array(STEPS_AT_FIRST);

  /**
   * Notes an acknowledgement.
   *
   * @param atMs milliseconds since the load began; an earlier time counts as the beginning
   */
  acknowledged(atMs: number): void {
    const step = Math.max(0, Math.floor(atMs / STEP_MS));
    if (step >= this.came.length) this.growTo(step);
    this.came[step] = 1;
  }

  /** The longest time without an acknowledgement inside this span, in milliseconds. */
  longestMs(fromMs: number, toMs: number): number {
    const end = Math.floor(toMs / STEP_MS);
    let [longest, current] = [0, 0];
    for (let step = Math.max(0, Math.ceil(fromMs / STEP_MS)); step < end; step++) {
      current = this.came[step] === 1 ? 0 : current + 1;
      longest = Math.max(longest, current);
    }
    return longest * STEP_MS;
  }

  private growTo(step: number): void {
    const larger = new Uint8Array(Math.max(step + 1, this.came.length * 2));
    larger.set(this.came);
    this.came = larger;
  }
}
