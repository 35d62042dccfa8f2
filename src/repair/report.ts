/** What a repair has done, and what it has given up; each is a line for people. */

export class RepairReport {
  mended: string[] = []
  gaveUp: string[] = []

  mend(line: string): void {
    this.mended.push(line)
  }

  giveUp(line: string): void {
    this.gaveUp.push(line)
  }

  get isEmpty(): boolean {
    return this.mended.length === 0 && this.gaveUp.length === 0
  }
}
