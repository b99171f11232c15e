export interface Closable {
  close(): Promise<void>
}

/** What leads to a running guest's data disks, by LUN. */
export class DiskDoors implements Closable {
  readonly #doors = new Map<number, Closable>()

  add(lun: number, door: Closable): void {
    this.#doors.set(lun, door)
  }

  async shut(lun: number): Promise<void> {
    const door = this.#doors.get(lun)
    this.#doors.delete(lun)
    await door?.close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#doors.keys()].map(async (lun) => await this.shut(lun)))
  }
}
