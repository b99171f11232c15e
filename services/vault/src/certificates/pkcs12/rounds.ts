import { badFile } from './refused.ts'

/** About a second of one core. */
const most = 2_000_000

/** Budget of key-derivation rounds for one file, all parts together: the sender chooses them (attack W27). */
export class Rounds {
  #left = most

  /**
   * @param iterations as in the file
   * @param times cost of one hash, relative to PBKDF2's
   * @throws ServiceError BadParameter
   */
  take(iterations: number, times = 1): void {
    if (iterations < 1 || iterations * times > this.#left)
      throw badFile(`asks for ${iterations} rounds`, `rounds that take at most a second, in all its parts together`)
    this.#left -= iterations * times
  }
}
