import pg from 'pg';
import type { Flight } from './flight.js';

/**
 * The database behind the buffer. Every statement goes out as one message of the simple protocol, values as escaped
 * literals: the embedded server shares one session among all connections, message by message, and would mix up the
 * parse and bind messages of two connections.
 */
export class Downstream {
  readonly #client: pg.Client;
  readonly #schema: string;

  private constructor(client: pg.Client, schemaName: string) {
    this.#client = client;
    this.#schema = pg.escapeIdentifier(schemaName);
  }

  static async connect(url: string, schemaName: string): Promise<Downstream> {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    // A connection that breaks between queries says so here, and again in the next query.
    client.on('error', () => {});
    await client.connect().catch((error: unknown) => {
      throw new Error(`The database does not answer: ${error instanceof Error ? error.message : String(error)}`);
    });
    return new Downstream(client, schemaName);
  }

  /**
   * Makes a schema of its own. While `insert_delay_ms` is above 0 each insert waits that long behind a lock, one after
   * the other: more connections get no more through, they only wait longer.
   */
  async create(): Promise<void> {
    await this.#client.query(`
      create schema ${this.#schema};
      create table ${this.#schema}.conditions (insert_delay_ms int not null);
      insert into ${this.#schema}.conditions values (0);
      create table ${this.#schema}.flights (
        id text primary key,
        number int not null,
        lap int not null,
        day int not null,
        hour float8 not null,
        delay_minutes int not null,
        distance_miles int not null,
        weight int not null
      );
      create function ${this.#schema}.wait() returns trigger language plpgsql as $$
        declare delay_ms int;
        begin
          select insert_delay_ms into delay_ms from ${this.#schema}.conditions;
          if delay_ms > 0 then
            perform pg_advisory_xact_lock(tg_relid::bigint);
            perform pg_sleep(delay_ms / 1000.0);
          end if;
          return null;
        end $$;
      create trigger wait before insert on ${this.#schema}.flights
        for each statement execute function ${this.#schema}.wait();
    `);
  }

  async setInsertDelay(delayMs: number): Promise<void> {
    await this.#client.query(`update ${this.#schema}.conditions set insert_delay_ms = ${Math.round(delayMs)}`);
  }

  async countRows(): Promise<number> {
    const { rows } = await this.#client.query<{ count: string }>(`select count(*) from ${this.#schema}.flights`);
    return Number(rows[0]?.count);
  }

  async drop(): Promise<void> {
    await this.#client.query(`drop schema ${this.#schema} cascade`);
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

/** A flight with what the buffer knows about it. */
interface FlightRow {
  /** The item's id: the same in every retry, so a row that is there already is left alone. */
  readonly id: string;
  readonly weight: number;
  readonly flight: Flight;
}

/** The statement that inserts a batch, and leaves rows alone that are there already. */
export function insertStatement(schemaName: string, rows: readonly FlightRow[]): string {
  const json = JSON.stringify(
    rows.map(({ id, weight, flight }) => ({
      id,
      number: flight.number,
      lap: flight.lap,
      day: flight.day,
      hour: flight.hour,
      delay_minutes: flight.delayMinutes,
      distance_miles: flight.distanceMiles,
      weight,
    })),
  );
  const schema = pg.escapeIdentifier(schemaName);
  return `insert into ${schema}.flights
    select id, number, lap, day, hour, delay_minutes, distance_miles, weight
    from json_populate_recordset(null::${schema}.flights, ${pg.escapeLiteral(json)})
    on conflict (id) do nothing`;
}
