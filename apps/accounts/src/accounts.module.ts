/** The module of the accounts: the effects that they serve. Everything else is the transport's. */
import { Module } from '@nestjs/common';
import { Balances } from './balances.js';

/** Add a consumer by adding its class here. */
@Module({ controllers: [Balances] })
export class AccountsModule {}
