module cae

go 1.24
