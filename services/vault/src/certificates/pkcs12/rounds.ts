import { badFile } from './refused.ts'

/** About a second of one core. */
const most = 2_000_000

/** Rounds of key derivation that one file may ask for, all its parts together: who sends it chooses them (attack W27). */
export class Rounds {
  #left = most

  /**
   * @param iterations as the file has them
   * @param times how many hashes each costs, beside one of PBKDF2's
   * @throws ServiceError BadParameter
   */
  take(iterations: number, times = 1): void {
    if (iterations < 1 || iterations * times > this.#left)
      throw badFile(`asks for ${iterations} rounds`, `rounds that take at most a second, in all its parts together`)
    this.#left -= iterations * times
  }
}
